// The integration unit of one neuron (paper 000, Fig. 2): N inputs, W-bit weights, S-bit spikes, T steps.
//
// All three add up  potential = sum over steps and inputs of weight * level.  `first` and `last` mark the first and the
// last step, `valid` says that a step is there, `ready` that it is taken at this edge; `done` is high for one cycle
// behind the last step. Weights are two's complement; the one bit of W = 1 is the sign, 0 for +1 and 1 for -1. Levels are
// 0 .. 2^S - 1. What counts steps and bits serves many units, and so is outside of them.

// The sum of N two's complement terms of B bits, as a tree of adders.
module adder_tree #(parameter N = 8, B = 8) (
  input  logic [N*B-1:0] terms,
  output logic signed [B+$clog2(N)-1:0] sum
);
  localparam L = N / 2, R = N - L;
  generate
    if (N == 1) begin : leaf
      assign sum = $signed(terms);
    end else begin : halves
      logic signed [B+$clog2(L)-1:0] left;
      logic signed [B+$clog2(R)-1:0] right;
      adder_tree #(.N(L), .B(B)) first (.terms(terms[L*B-1:0]), .sum(left));
      adder_tree #(.N(R), .B(B)) second (.terms(terms[N*B-1:L*B]), .sum(right));
      assign sum = left + right;
    end
  endgenerate
endmodule

// P_sum of one plane of spike bits: the sum of the weights whose spike is 1.
module plane #(parameter N = 8, W = 8, B = (W == 1 ? 2 : W)) (
  input  logic [N*W-1:0] weights,
  input  logic [N-1:0] spikes,
  output logic signed [B+$clog2(N)-1:0] sum
);
  logic [N*B-1:0] terms;
  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : gate
      if (W == 1) assign terms[i*B +: B] = {spikes[i] & weights[i], spikes[i]};
      else assign terms[i*B +: B] = weights[i*W +: W] & {W{spikes[i]}};
    end
  endgenerate
  adder_tree #(.N(N), .B(B)) tree (.terms(terms), .sum(sum));
endmodule

// All bits of a step at once: a tree for each plane, added up at their places.
module parallel #(parameter N = 8, W = 8, S = 4, T = 1, A = (W == 1 ? 2 : W) + $clog2(N) + S + $clog2(T)) (
  input  logic clock, valid, first, last,
  input  logic [N*W-1:0] weights,
  input  logic [N*S-1:0] levels,
  output logic ready, done,
  output logic signed [A-1:0] potential
);
  localparam P = (W == 1 ? 2 : W) + $clog2(N);
  logic signed [P+S-1:0] partial[0:S];
  assign partial[S] = 0;
  genvar b, i;
  generate
    for (b = 0; b < S; b = b + 1) begin : bits
      logic [N-1:0] spikes;
      logic signed [P-1:0] sum;
      for (i = 0; i < N; i = i + 1) begin : pick
        assign spikes[i] = levels[i*S+b];
      end
      plane #(.N(N), .W(W)) one (.weights(weights), .spikes(spikes), .sum(sum));
      assign partial[b] = (partial[b+1] <<< 1) + sum;
    end
  endgenerate
  assign ready = 1'b1;
  always_ff @(posedge clock) begin
    done <= valid & last;
    if (valid) potential <= (first ? $signed({A{1'b0}}) : potential) + partial[0];
  end
endmodule

// A bit of the step a cycle, the highest first: one tree. `high` and `low` mark the step's highest and lowest bit.
module serial #(parameter N = 8, W = 8, S = 4, T = 1, A = (W == 1 ? 2 : W) + $clog2(N) + S + $clog2(T)) (
  input  logic clock, valid, first, last, high, low,
  input  logic [N*W-1:0] weights,
  input  logic [N-1:0] spikes,
  output logic ready, done,
  output logic signed [A-1:0] potential
);
  localparam P = (W == 1 ? 2 : W) + $clog2(N);
  logic signed [P-1:0] sum;
  logic signed [P+S-1:0] partial;
  plane #(.N(N), .W(W)) one (.weights(weights), .spikes(spikes), .sum(sum));
  generate
    if (S == 1) begin : whole
      assign partial = sum;
    end else begin : bits
      logic signed [P+S-2:0] kept;
      assign partial = (high ? $signed({(P+S){1'b0}}) : (kept <<< 1)) + sum;
      always_ff @(posedge clock) if (valid) kept <= partial[P+S-2:0];
    end
  endgenerate
  assign ready = 1'b1;
  always_ff @(posedge clock) begin
    done <= valid & last & low;
    if (valid & low) potential <= (first ? $signed({A{1'b0}}) : potential) + partial;
  end
endmodule

// An input a cycle, and only those whose level is not 0; a step without any takes one cycle.
module events #(parameter N = 8, W = 8, S = 4, T = 1, A = (W == 1 ? 2 : W) + $clog2(N) + S + $clog2(T)) (
  input  logic clock, reset, valid, first, last,
  input  logic [N*W-1:0] weights,
  input  logic [N*S-1:0] levels,
  output logic ready, done,
  output logic signed [A-1:0] potential
);
  localparam B = (W == 1 ? 2 : W);
  logic [N-1:0] fired, waiting, left, todo, chosen;
  logic busy;
  logic [W-1:0] weight;
  logic [S-1:0] level;
  logic signed [B+S-1:0] product;
  genvar i;
  generate
    for (i = 0; i < N; i = i + 1) begin : pick
      assign fired[i] = |levels[i*S +: S];
    end
    if (W == 1) assign product = weight[0] ? -$signed({2'b00, level}) : $signed({2'b00, level});
    else if (S == 1) assign product = level[0] ? $signed(weight) : 0;
    else assign product = $signed(weight) * $signed({1'b0, level});
  endgenerate
  assign todo = busy ? waiting : fired;
  assign chosen = todo & (~todo + 1'b1);
  assign left = todo & ~chosen;
  assign ready = left == 0;
  integer k;
  always_comb begin
    weight = 0;
    level = 0;
    for (k = 0; k < N; k = k + 1) begin
      weight = weight | (weights[k*W +: W] & {W{chosen[k]}});
      level = level | (levels[k*S +: S] & {S{chosen[k]}});
    end
  end
  always_ff @(posedge clock) begin
    done <= valid & last & ready & ~reset;
    if (reset) busy <= 1'b0;
    else if (valid) begin
      busy <= ~ready;
      waiting <= left;
      potential <= (first & ~busy ? $signed({A{1'b0}}) : potential) + product;
    end
  end
endmodule
