// A processing element: the sum of one output channel. A tap a cycle, the level at once.
module bitspike_element_parallel #(
    parameter int LEVEL = 4,
    parameter int WEIGHT = 4,
    parameter int SUM = 16
) (
    input  logic                     clk,
    input  logic                     clear,
    input  logic                     take,      // a tap is there
    input  logic                     next_bit,  // of the serial element alone
    input  logic                     negative,  // of the serial element alone
    input  logic signed [LEVEL-1:0]  level,
    input  logic signed [WEIGHT-1:0] weight,
    output logic signed [SUM-1:0]    sum
);
  logic signed [LEVEL+WEIGHT-1:0] product;
  assign product = level * weight;
  always_ff @(posedge clk)
    if (clear) sum <= '0;
    else if (take) sum <= sum + SUM'(product);
endmodule

// The same, a bit of the level a cycle: all taps with the highest bit, which counts negative in a signed level, then
// all with the next. The sum is doubled between two bits, so there is neither a multiplier nor a shifter.
module bitspike_element_serial #(
    parameter int LEVEL = 1,  // the bit, in level[0]
    parameter int WEIGHT = 4,
    parameter int SUM = 16
) (
    input  logic                     clk,
    input  logic                     clear,
    input  logic                     take,
    input  logic                     next_bit,  // the first tap of a bit, whether or not it is taken
    input  logic                     negative,  // the bit counts negative
    input  logic signed [LEVEL-1:0]  level,
    input  logic signed [WEIGHT-1:0] weight,
    output logic signed [SUM-1:0]    sum
);
  logic signed [SUM-1:0] doubled, part;
  assign doubled = next_bit ? sum <<< 1 : sum;
  assign part   = take && level[0] ? SUM'(weight) : '0;
  always_ff @(posedge clk)
    if (clear) sum <= '0;
    else if (take || next_bit) sum <= negative ? doubled - part : doubled + part;
endmodule
