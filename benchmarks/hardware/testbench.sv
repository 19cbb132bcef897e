// Feeds `UNIT` the steps of steps.hex, {weights, levels} a line, and prints the potential of each integration and, at the
// end, the cycles. With +vcd=FILE it writes what the nets of the unit do, to count toggles.
`timescale 1ns / 1ns
module testbench;
  parameter N = 8, W = 8, S = 4, T = 1, STEPS = 4;
  localparam A = (W == 1 ? 2 : W) + $clog2(N) + S + $clog2(T);
  logic clock = 0, reset = 1, valid = 0, first = 0, last = 0, high = 0, low = 0;
  logic [N*(W+S)-1:0] steps[0:STEPS-1];
  logic [N*W-1:0] weights = 0;
  logic [N*S-1:0] levels = 0;
  logic [N-1:0] spikes = 0;
  wire ready, done;
  wire signed [A-1:0] potential;
  integer step, bit_, i, cycles = 0;
  string file;

`ifdef BY_BIT
  `UNIT unit (.clock(clock), .valid(valid), .first(first), .last(last), .high(high), .low(low), .weights(weights),
              .spikes(spikes), .ready(ready), .done(done), .potential(potential));
`elsif WITH_RESET
  `UNIT unit (.clock(clock), .reset(reset), .valid(valid), .first(first), .last(last), .weights(weights),
              .levels(levels), .ready(ready), .done(done), .potential(potential));
`else
  `UNIT unit (.clock(clock), .valid(valid), .first(first), .last(last), .weights(weights), .levels(levels),
              .ready(ready), .done(done), .potential(potential));
`endif

  always #5 clock = ~clock;
  always @(negedge clock) if (done) $display("%0d", potential);
  always @(posedge clock) if (valid) cycles = cycles + 1;

  initial begin
    $readmemh("steps.hex", steps);
    if ($value$plusargs("vcd=%s", file)) begin
      $dumpfile(file);
      $dumpvars(1, unit);
    end
    @(negedge clock) reset = 1;
    @(negedge clock) reset = 0;
    for (step = 0; step < STEPS; step = step + 1) begin
      {weights, levels} = steps[step];
      first = step % T == 0;
      last = step % T == T - 1;
      valid = 1;
`ifdef BY_BIT
      for (bit_ = S - 1; bit_ >= 0; bit_ = bit_ - 1) begin
        high = bit_ == S - 1;
        low = bit_ == 0;
        for (i = 0; i < N; i = i + 1) spikes[i] = levels[i*S+bit_];
        @(negedge clock);
      end
`else
      #1 while (!ready) begin
        @(negedge clock);
        #1;
      end
      @(negedge clock);
`endif
      // An idle cycle now and then: what is not valid must not count.
      if (step % 7 == 6) begin
        valid = 0;
        @(negedge clock);
      end
    end
    valid = 0;
    @(negedge clock);
    $display("cycles %0d", cycles);
    $finish;
  end
endmodule
