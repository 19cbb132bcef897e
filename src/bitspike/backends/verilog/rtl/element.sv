// A processing element: the sum of one output channel. A tap a cycle, or FAN of them, the level at once.
module bitspike_element_parallel #(
    parameter int LEVEL = 4,
    parameter int WEIGHT = 4,
    parameter int SUM = 16,
    parameter int FAN = 1
) (
    input  logic                         clk,
    input  logic                         clear,
    input  logic                         take,      // a tap is there
    input  logic                         next_bit,  // of the serial element alone
    input  logic                         negative,  // of the serial element alone
    input  logic signed [FAN*LEVEL-1:0]  level,
    input  logic signed [FAN*WEIGHT-1:0] weight,
    output logic signed [SUM-1:0]        sum
);
  logic [(FAN+1)*SUM-1:0] parts;  // sums of the first taps
  assign parts[SUM-1:0] = '0;
  generate
    for (genvar f = 0; f < FAN; f++) begin : fan
      logic signed [LEVEL+WEIGHT-1:0] product;
      assign product = $signed(level[f*LEVEL+:LEVEL]) * $signed(weight[f*WEIGHT+:WEIGHT]);
      logic signed [SUM-1:0] more;
      assign more = product;
      assign parts[(f+1)*SUM+:SUM] = parts[f*SUM+:SUM] + more;
    end
  endgenerate
  always_ff @(posedge clk)
    if (clear) sum <= '0;
    else if (take) sum <= sum + parts[FAN*SUM+:SUM];
endmodule

// The same, a bit of the level a cycle: all taps with the highest bit, which counts negative in a signed level, then
// all with the next. The sum is doubled between two bits, so there is neither a multiplier nor a shifter.
module bitspike_element_serial #(
    parameter int LEVEL = 1,  // the bit, in level[0]
    parameter int WEIGHT = 4,
    parameter int SUM = 16,
    parameter int FAN = 1
) (
    input  logic                         clk,
    input  logic                         clear,
    input  logic                         take,
    input  logic                         next_bit,  // the first tap of a bit, whether or not it is taken
    input  logic                         negative,  // the bit counts negative
    input  logic signed [FAN*LEVEL-1:0]  level,
    input  logic signed [FAN*WEIGHT-1:0] weight,
    output logic signed [SUM-1:0]        sum
);
  logic signed [SUM-1:0] doubled;
  logic [(FAN+1)*SUM-1:0] parts;  // sums of the first taps
  assign doubled = next_bit ? sum <<< 1 : sum;
  assign parts[SUM-1:0] = '0;
  generate
    for (genvar f = 0; f < FAN; f++) begin : fan
      logic signed [WEIGHT-1:0] taken;
      logic signed [SUM-1:0] more;
      assign taken = take && level[f*LEVEL] ? weight[f*WEIGHT+:WEIGHT] : '0;
      assign more = taken;
      assign parts[(f+1)*SUM+:SUM] = parts[f*SUM+:SUM] + more;
    end
  endgenerate
  always_ff @(posedge clk)
    if (clear) sum <= '0;
    else if (take || next_bit) sum <= negative ? doubled - parts[FAN*SUM+:SUM] : doubled + parts[FAN*SUM+:SUM];
endmodule
