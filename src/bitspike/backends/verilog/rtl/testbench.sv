// Runs the network on samples of a file and prints its logits, and the cycles of each sample. From a command line:
//   +samples=FILE   a byte a line, in hexadecimal, of one sample after the other
//   +count=N        samples
//   +limit=C        cycles at most, all samples together
//   +seed=S         gaps in what comes in and pauses in what goes out, at random; 0 for none
module @NAME@_tb;
  localparam int SAMPLE = @SAMPLE@;
  localparam int LOGITS = @LOGITS@;
  localparam int REST = @REST@;  // cycles in which stages end what no logit needs

  logic clk = 1'b0, rst = 1'b1;
  logic [7:0] in_data = '0;
  logic in_valid = 1'b0, in_ready;
  logic signed [@LOGIT@-1:0] out_data;
  logic out_valid, out_last, out_ready = 1'b1;
  @NAME@ network (.*);

  int file, count, seed, status, code, draw;
  int sent = 0, taken = 0, sample = 0, logits = 0, rest = 0;
  longint cycle = 0, limit;
  longint began[0:255];  // of the samples that are on their way
  logic gaps = 1'b0;
  reg [8*256-1:0] name;

  always #1 clk = ~clk;

  initial begin
    if (!$value$plusargs("samples=%s", name)) name = "samples.mem";
    if (!$value$plusargs("count=%d", count)) count = 1;
    if (!$value$plusargs("seed=%d", seed)) seed = 0;
    if (!$value$plusargs("limit=%d", limit)) limit = 64'h7fffffffffffffff;
    gaps = seed != 0;
    file = $fopen(name, "r");
    if (file == 0) begin
      $display("wrong: no file of samples");
      $finish;
    end
    repeat (4) @(negedge clk);
    rst = 1'b0;
  end

  always @(posedge clk)
    if (!rst) begin
      cycle = cycle + 1;
      if (cycle > limit) begin
        $display("wrong: no answer within %0d cycles", limit);
        $finish;
      end
      draw = gaps ? $random(seed) : -1;
      if (in_valid && in_ready) begin
        if (taken % SAMPLE == 0) began[(taken / SAMPLE) % 256] = cycle;
        taken = taken + 1;
        in_valid <= 1'b0;
      end
      if ((!in_valid || in_ready) && sent < count * SAMPLE && draw[1:0] != 0) begin
        status = $fscanf(file, "%h", code);
        in_data <= code[7:0];
        in_valid <= 1'b1;
        sent = sent + 1;
      end
      out_ready <= draw[2];
      if (rest > 0) begin
        rest = rest - 1;
        if (rest == 0) $finish;
      end
      if (out_valid && out_ready) begin
        $display("logit %0d", out_data);
        logits = logits + 1;
        if (out_last !== (logits == LOGITS)) $display("wrong: out_last");
        if (logits == LOGITS) begin
          $display("cycles %0d %0d", cycle - began[sample % 256] + 1, cycle);
          logits = 0;
          sample = sample + 1;
          if (sample == count) rest = REST;
        end
      end
    end
endmodule
