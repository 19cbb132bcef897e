// A processing element: the sum of one output channel. A tap a cycle, or FAN of them, the level at once.
module bitspike_element_parallel #(
    parameter int LEVEL = 4,
    parameter int WEIGHT = 4,
    parameter int SUM = 16,
    parameter int FAN = 1
) (
    input  logic                     clk,
    input  logic                     clear,
    input  logic                     take,      // a tap is there
    input  logic                     next_bit,  // of the serial element alone
    input  logic                     negative,  // of the serial element alone
    input  logic signed [FAN*LEVEL-1:0]  level,
    input  logic signed [FAN*WEIGHT-1:0] weight,
    output logic signed [SUM-1:0]    sum
);
  logic signed [SUM-1:0] part[0:FAN];  // of the first so many taps
  assign part[0] = '0;
  generate
    for (genvar f = 0; f < FAN; f++) begin : fan
      logic signed [LEVEL+WEIGHT-1:0] product;
      assign product = $signed(level[f*LEVEL+:LEVEL]) * $signed(weight[f*WEIGHT+:WEIGHT]);
      assign part[f+1] = part[f] + SUM'(product);
    end
  endgenerate
  always_ff @(posedge clk)
    if (clear) sum <= '0;
    else if (take) sum <= sum + part[FAN];
endmodule

// The same, a bit of the level a cycle: all taps with the highest bit, which counts negative in a signed level, then
// all with the next. The sum is doubled between two bits, so there is neither a multiplier nor a shifter.
module bitspike_element_serial #(
    parameter int LEVEL = 1,  // the bit, in level[0]
    parameter int WEIGHT = 4,
    parameter int SUM = 16,
    parameter int FAN = 1
) (
    input  logic                     clk,
    input  logic                     clear,
    input  logic                     take,
    input  logic                     next_bit,  // the first tap of a bit, whether or not it is taken
    input  logic                     negative,  // the bit counts negative
    input  logic signed [FAN*LEVEL-1:0]  level,
    input  logic signed [FAN*WEIGHT-1:0] weight,
    output logic signed [SUM-1:0]    sum
);
  logic signed [SUM-1:0] doubled;
  logic signed [SUM-1:0] part[0:FAN];  // of the first so many taps
  assign doubled = next_bit ? sum <<< 1 : sum;
  assign part[0] = '0;
  generate
    for (genvar f = 0; f < FAN; f++) begin : fan
      assign part[f+1] = take && level[f*LEVEL] ? part[f] + SUM'($signed(weight[f*WEIGHT+:WEIGHT])) : part[f];
    end
  endgenerate
  always_ff @(posedge clk)
    if (clear) sum <= '0;
    else if (take || next_bit) sum <= negative ? doubled - part[FAN] : doubled + part[FAN];
endmodule
