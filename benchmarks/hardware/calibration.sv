// The circuit whose current was measured: two counters of 8 bits, in steps of 3 and 5, and their product, in LUTs.
module calibration (input logic clock, reset, output logic any);
  logic [7:0] a, b;
  logic [15:0] product;
  assign product = a * b;
  assign any = &a | &b | &product;
  always_ff @(posedge clock) begin
    a <= reset ? 8'd0 : a + 8'd3;
    b <= reset ? 8'd0 : b + 8'd5;
  end
endmodule
