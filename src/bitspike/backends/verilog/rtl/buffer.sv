// What a stage keeps of a stream: the last DEPTH places of an edge, in a ring. A place is a row and a column with all of
// its steps and channels; it comes in beats of LANES channels, step by step, and PACK beats make a word.
module bitspike_buffer #(
    parameter int BITS = 8,  // of a level
    parameter int LANES = 1,
    parameter int PACK = 1,
    parameter int WORDS = 1,  // of a place
    parameter int PLACES = 1,  // of a sample
    parameter int DEPTH = 2,
    parameter int ADDRESS = 1,
    parameter int COUNT = 8
) (
    input  logic                             clk,
    input  logic                             rst,
    input  logic            [LANES*BITS-1:0] in_data,
    input  logic                             in_valid,
    output logic                             in_ready,  // once it is up it stays up until a beat comes
    input  logic signed          [COUNT-1:0] freed,    // places of the reader's sample that it has done with
    input  logic                             next,     // the reader goes to the next sample
    output logic signed          [COUNT-1:0] written,  // places of the reader's sample that are here
    input  logic               [ADDRESS-1:0] read_address,
    output logic       [PACK*LANES*BITS-1:0] read_data
);
  localparam int SIZE = DEPTH * WORDS;
  logic [ADDRESS-1:0] at;
  logic [$clog2(WORDS + 1)-1:0] word;
  logic write, place;
  logic [PACK*LANES*BITS-1:0] write_data;
  assign in_ready = written - freed < COUNT'($signed(DEPTH));
  assign place = write && word == WORDS - 1;

  generate
    if (PACK == 1) begin : whole
      assign write = in_valid && in_ready;
      assign write_data = in_data;
    end else begin : packed_up
      logic [(PACK-1)*LANES*BITS-1:0] earlier;
      localparam int BEAT = $clog2(PACK);
      logic [BEAT-1:0] beat;
      assign write = in_valid && in_ready && beat == BEAT'(PACK - 1);
      assign write_data = {in_data, earlier};
      always_ff @(posedge clk) begin
        if (in_valid && in_ready) begin
          beat <= beat == BEAT'(PACK - 1) ? '0 : beat + 1;
          earlier <= write_data[PACK*LANES*BITS-1:LANES*BITS];
        end
        if (rst) beat <= '0;
      end
    end
  endgenerate

  always_ff @(posedge clk) begin
    if (write) begin
      at <= at == ADDRESS'(SIZE - 1) ? '0 : at + 1;
      word <= place ? '0 : word + 1;
    end
    written <= written + (place ? COUNT'($signed(1)) : '0) - (next ? COUNT'($signed(PLACES)) : '0);
    if (rst) begin
      at <= '0;
      word <= '0;
      written <= '0;
    end
  end

  bitspike_memory #(.WIDTH(PACK * LANES * BITS), .DEPTH(SIZE), .ADDRESS(ADDRESS)) memory (
      .clk(clk), .write(write), .write_address(at), .write_data(write_data),
      .read_address(read_address), .read_data(read_data)
  );
endmodule

// What an arithmetic unit reads beside its sums: a stream of whole places, in the order in which it computes. An edge of
// one step is read again at every step.
module bitspike_beside #(
    parameter int BITS = 8,
    parameter int LANES = 1,
    parameter int PACK = 1,
    parameter int WORDS = 1,
    parameter int DEPTH = 2,
    parameter int ADDRESS = 1,
    parameter int COUNT = 8,
    parameter int SIGNED = 0,
    parameter int WORD = 8,  // bits of the reader's words
    parameter int AGAIN = 0  // one step, read at each
) (
    input  logic                       clk,
    input  logic                       rst,
    input  logic      [LANES*BITS-1:0] in_data,
    input  logic                       in_valid,
    output logic                       in_ready,
    output logic                       here,    // the place that is read
    input  logic                       take,    // the reader goes to the next word
    input  logic                       ends_step,
    input  logic                       ends_place,
    output logic [PACK*LANES*WORD-1:0] read_data
);
  localparam int SIZE = DEPTH * WORDS;
  logic signed [COUNT-1:0] written, none;
  assign none = '0;
  logic [ADDRESS-1:0] at, next_at, first;
  logic [PACK*LANES*BITS-1:0] raw;
  generate
    for (genvar l = 0; l < PACK * LANES; l++) begin : lanes
      assign read_data[l*WORD+:WORD] = SIGNED != 0 ? WORD'($signed(raw[l*BITS+:BITS])) : WORD'(raw[l*BITS+:BITS]);
    end
  endgenerate
  always_comb
    if (!take) next_at = at;
    else if (AGAIN != 0 && ends_step && !ends_place) next_at = first;
    else next_at = at == ADDRESS'(SIZE - 1) ? '0 : at + 1;
  always_ff @(posedge clk) begin
    at <= next_at;
    if (take && ends_place) first <= next_at;
    here <= written > (take && ends_place ? COUNT'($signed(1)) : '0);
    if (rst) begin
      at <= '0;
      first <= '0;
      here <= 1'b0;
    end
  end
  bitspike_buffer #(
      .BITS(BITS), .LANES(LANES), .PACK(PACK), .WORDS(WORDS), .PLACES(1), .DEPTH(DEPTH), .ADDRESS(ADDRESS), .COUNT(COUNT)
  ) buffer (
      .clk(clk), .rst(rst), .in_data(in_data), .in_valid(in_valid), .in_ready(in_ready), .freed(none),
      .next(take && ends_place), .written(written), .read_address(next_at), .read_data(raw)
  );
endmodule
