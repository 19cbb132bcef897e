// What an instruction computes: bitspike.intmath in words that hold every integer that is proven to come here.
module bitspike_arithmetic #(
    parameter int WORD = 32,
    parameter int LOW = 8,
    parameter int FACTOR_A = 16,  // bits of a product's factors
    parameter int FACTOR_B = 16,
    parameter int SHIFT = 5,
    parameter logic [9:0] USED = '1,  // operations that a program has, a bit each; what it has not costs nothing
    parameter int FIXED = 0  // bits of every shift, where all are the same
) (
    input  logic              [3:0]   op,
    input  logic signed [WORD-1:0] a,
    input  logic signed [WORD-1:0] b,
    input  logic signed [LOW-1:0]  low,
    output logic signed [WORD-1:0] result,
    output logic                   write  // whether a register takes the result
);
  // As `OPS` of micro.py has them.
  localparam logic [3:0] OP_ADD = 0;
  localparam logic [3:0] OP_SUB = 1;
  localparam logic [3:0] OP_MUL = 2;
  localparam logic [3:0] OP_SHR = 3;
  localparam logic [3:0] OP_MIN = 4;
  localparam logic [3:0] OP_MAX = 5;
  localparam logic [3:0] OP_CLIP = 6;
  localparam logic [3:0] OP_IF_NOT_0 = 8;
  localparam logic [3:0] OP_IF_BELOW_0 = 9;

  logic signed [FACTOR_A+FACTOR_B-1:0] product;
  logic [SHIFT-1:0] distance;
  assign product = $signed(a[FACTOR_A-1:0]) * $signed(b[FACTOR_B-1:0]);
  assign distance = FIXED != 0 ? SHIFT'(FIXED) : b[SHIFT-1:0];
  always_comb begin
    result = 'x;
    case (op)
      OP_ADD: if (USED[OP_ADD]) result = a + b;
      OP_SUB: if (USED[OP_SUB]) result = a - b;
      OP_MUL: if (USED[OP_MUL]) result = WORD'(product);
      OP_SHR: if (USED[OP_SHR]) result = a >>> distance;  // toward minus infinity
      OP_MIN: if (USED[OP_MIN]) result = a < b ? a : b;
      OP_MAX: if (USED[OP_MAX]) result = a > b ? a : b;
      OP_CLIP: if (USED[OP_CLIP]) result = a < WORD'(low) ? WORD'(low) : a < b ? a : b;
      default: result = b;
    endcase
  end
  always_comb
    case (op)
      OP_IF_NOT_0: write = a != 0;
      OP_IF_BELOW_0: write = a < 0;
      default: write = 1'b1;
    endcase
endmodule
