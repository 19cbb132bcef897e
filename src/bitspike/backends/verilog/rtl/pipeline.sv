// @COMMENT@
// Made by bitspike: a stage for each layer of a network, all at work at once, with streams between them.
// A sample comes in as codes, a byte a beat, place by place, all channels of a place; its logits go out, one a beat, the
// last with out_last. Samples follow each other without a pause.
module @NAME@ (
    input  logic                     clk,
    input  logic                     rst,
    input  logic              [7:0]  in_data,
    input  logic                     in_valid,
    output logic                     in_ready,
    output logic signed [@LOGIT@-1:0] out_data,
    output logic                     out_valid,
    output logic                     out_last,
    input  logic                     out_ready
);
  logic [@BITS@-1:0] in_level;
  assign in_level = @BITS@'(in_data) + @BITS@'d@LO@;
@STAGES@

  // The logits.
  logic [$clog2(@CLASSES@+1)-1:0] count;
  assign @LAST@_ready = !out_valid || out_ready;
  always_ff @(posedge clk) begin
    if (out_ready) out_valid <= 1'b0;
    if (@LAST@_valid) begin
      out_valid <= 1'b1;
      out_data <= @LAST@_data;
      out_last <= count == @CLASSES@ - 1;
      count <= count == @CLASSES@ - 1 ? '0 : count + 1;
    end
    if (rst) begin
      out_valid <= 1'b0;
      count <= '0;
    end
  end
endmodule
