// The windows of a stage: it reads them from its buffer, a word a cycle, as soon as their last place is there, and sums
// them: in the order of places, steps, groups of channels, blocks of PES channels. Words are read in the order of rows,
// columns and channels of a window; the next window is read while the arithmetic unit computes with the sums of this one.
module bitspike_window #(
    parameter int MODE = 1,  // 1 levels times weights, 2 added, 3 the largest
    parameter int LANEWISE = 0,  // each element has channels of its own
    parameter int SERIAL = 0,
    parameter int HELD = 0,  // an edge of one step, summed at the first step alone
    parameter int BITS = 8,  // of a level
    parameter int SIGNED = 0,
    parameter int LANES = 1,  // levels of a word
    parameter int FAN = 1,  // levels that an element takes at once: one of a word, or all
    parameter int PES = 1,
    parameter int SUM = 16,
    parameter int WEIGHT = 4,
    parameter int TAPS = 1,  // of a window: weight words
    parameter int WEIGHT_WORDS = 1,
    parameter WEIGHTS = "",
    parameter int SIZE = 2,  // of the buffer, in words
    parameter int PLACES = 1,
    parameter int ROWS_IN = 1, COLUMNS_IN = 1,
    parameter int ROWS = 1, COLUMNS = 1, STEPS = 1, GROUPS = 1, BLOCKS = 1,
    parameter int KERNEL_Y = 1, KERNEL_X = 1, WORDS = 1,  // words of a group's channels
    parameter int STRIDE_Y = 1, STRIDE_X = 1, PADDING_Y = 0, PADDING_X = 0, APART_Y = 1, APART_X = 1,
    // How far the next word is, in the ring.
    parameter int ORIGIN = 0, NEXT_X = 1, NEXT_Y = 1, NEXT_GROUP = 0, NEXT_STEP = 0, NEXT_COLUMN = 0, NEXT_ROW = 0,
    parameter int NEXT_SAMPLE = 0,
    parameter int ADDRESS = 1,
    parameter int SIDE = 8,  // bits of a row or column
    parameter int COUNT = 8  // bits of a number of places
) (
    input  logic                          clk,
    input  logic                          rst,
    input  logic signed       [COUNT-1:0] written,
    output logic signed       [COUNT-1:0] freed,
    output logic                          next,
    output logic            [ADDRESS-1:0] read_address,
    input  logic         [LANES*BITS-1:0] read_data,
    output logic                          summed,  // the sums of a window are there
    input  logic                          free,    // the arithmetic unit takes the next
    output logic            [PES*SUM-1:0] sums
);
  localparam int LANE = LANES > 1 ? $clog2(LANES) : 1;
  localparam int SELECTED = FAN == 1 && LANEWISE == 0 ? LANES : 1;  // levels of a word, one a cycle
  localparam int LAST_BIT = SERIAL != 0 && MODE == 1 ? BITS - 1 : 0;
  localparam int PADDED = PADDING_Y + PADDING_X > 0 ? 1 : 0;
  localparam int REACH_Y = APART_Y * (KERNEL_Y - 1);
  localparam int REACH_X = APART_X * (KERNEL_X - 1);
  localparam int BIT = $clog2(LAST_BIT + 1) > 0 ? $clog2(LAST_BIT + 1) : 1;
  localparam int ROM = $clog2(WEIGHT_WORDS + 1);

  localparam int ENOUGH = ADDRESS + 1;
  function automatic [ADDRESS-1:0] onward(input [ADDRESS-1:0] from, input integer far);
    logic [ENOUGH-1:0] sum;
    begin
      sum = {1'b0, from} + ENOUGH'(far);
      onward = sum >= ENOUGH'(SIZE) ? ADDRESS'(sum - ENOUGH'(SIZE)) : ADDRESS'(sum);
    end
  endfunction

  // The window: where it is, and where its parts begin in the ring.
  logic taps, pending, drained, here, quick, give, starts, passes, ends;
  logic [$clog2(ROWS + 1)-1:0] row;
  logic [$clog2(COLUMNS + 1)-1:0] column;
  logic [$clog2(STEPS + 1)-1:0] step;
  logic [$clog2(GROUPS + 1)-1:0] group;
  logic [$clog2(BLOCKS + 1)-1:0] block;
  logic signed [SIDE-1:0] top, left, y, x;  // its first row and column, and those of the word
  logic signed [COUNT-1:0] top_at;  // the number of its first row's first place
  logic [ADDRESS-1:0] sample_at, row_at, place_at, step_at, group_at, at;
  logic [$clog2(KERNEL_Y + 1)-1:0] tap_y;
  logic [$clog2(KERNEL_X + 1)-1:0] tap_x;
  logic [$clog2(WORDS + 1)-1:0] tap_word;
  logic [LANE-1:0] tap_lane;
  logic [BIT-1:0] bit_at;
  logic [ROM-1:0] weights_at, block_weights;

  logic signed [COUNT-1:0] need;
  always_comb
    if (ROWS * COLUMNS == 1 || top + REACH_Y >= ROWS_IN) need = COUNT'($signed(PLACES));
    else if (left + REACH_X >= COLUMNS_IN) need = top_at + COUNT'($signed((REACH_Y + 1) * COLUMNS_IN));
    else need = top_at + COUNT'(left) + COUNT'($signed(REACH_Y * COLUMNS_IN + REACH_X + 1));
  // It never falls from window to window, as windows far in the padding would have it.
  localparam int LEFT_MOST = STRIDE_Y * COLUMNS_IN - PADDING_X < COLUMNS_IN ? STRIDE_Y * COLUMNS_IN - PADDING_X : COLUMNS_IN;
  localparam int FAR = (COLUMNS - 1) * STRIDE_X - PADDING_X > LEFT_MOST ? 1 : 0;
  localparam int LOW = (ROWS - 1) * STRIDE_Y - PADDING_Y >= ROWS_IN ? 1 : 0;
  logic signed [COUNT-1:0] done;
  assign done = top_at + (FAR != 0 && left > LEFT_MOST ? COUNT'($signed(LEFT_MOST)) : COUNT'(left));
  always_comb
    if (ROWS * COLUMNS == 1 || top < 0 || done < 0) freed = '0;
    else if (LOW != 0 && top >= ROWS_IN) freed = COUNT'($signed(PLACES));
    else freed = done;
  assign here = written >= need;

  assign quick = HELD != 0 && step != 0;
  assign give = pending && drained && free;
  assign summed = pending && drained;
  assign starts = !taps && !quick && here && (!pending || free);  // the sums are cleared before the first level comes
  assign passes = !taps && quick && (!pending || give);
  logic last_lane, last_word, last_x, last_y, last_tap, advance;
  assign last_lane = SELECTED == 1 || tap_lane == LANE'(SELECTED - 1);
  assign last_word = last_lane && tap_word == WORDS - 1;
  assign last_x = last_word && tap_x == KERNEL_X - 1;
  assign last_tap = last_x && tap_y == KERNEL_Y - 1;
  assign ends = taps && last_tap && bit_at == 0;
  assign advance = ends || passes;

  logic last_block, last_group, last_step, last_column, last_row;
  assign last_block = block == BLOCKS - 1;
  assign last_group = last_block && group == GROUPS - 1;
  assign last_step = last_group && step == STEPS - 1;
  assign last_column = last_step && column == COLUMNS - 1;
  assign last_row = last_column && row == ROWS - 1;
  assign next = advance && last_row;

  assign read_address = at;
  always_ff @(posedge clk) begin
    drained <= pending && !give;
    if (give) pending <= 1'b0;
    if (ends || passes) pending <= 1'b1;
    if (passes) drained <= 1'b1;
    if (starts) begin
      taps <= 1'b1;
      at <= group_at; y <= top; x <= left;
      tap_y <= '0; tap_x <= '0; tap_word <= '0; tap_lane <= '0;
      bit_at <= BIT'(LAST_BIT);
      weights_at <= block_weights;
    end
    if (taps) begin
      weights_at <= weights_at + 1;
      tap_lane <= last_lane ? '0 : tap_lane + 1;
      if (last_lane) begin
        tap_word <= tap_word + 1;
        at <= onward(at, 1);
      end
      if (last_word) begin
        tap_word <= '0; tap_x <= tap_x + 1;
        at <= onward(at, NEXT_X); x <= x + APART_X;
      end
      if (last_x) begin
        tap_x <= '0; tap_y <= tap_y + 1;
        at <= onward(at, NEXT_Y); x <= left; y <= y + APART_Y;
      end
      if (last_tap) begin
        tap_y <= '0; bit_at <= bit_at - 1;
        at <= group_at; y <= top;
        weights_at <= block_weights;
      end
      if (ends) taps <= 1'b0;
    end
    if (advance) begin
      block <= block + 1;
      block_weights <= block_weights + ROM'(TAPS);
      if (last_block) begin
        block <= '0; group <= group + 1;
        group_at <= onward(group_at, NEXT_GROUP);
      end
      if (last_group) begin
        group <= '0; step <= step + 1;
        block_weights <= '0;
        step_at <= onward(step_at, NEXT_STEP); group_at <= onward(step_at, NEXT_STEP);
      end
      if (last_step) begin
        step <= '0; column <= column + 1; left <= left + STRIDE_X;
        place_at <= onward(place_at, NEXT_COLUMN);
        step_at <= onward(place_at, NEXT_COLUMN); group_at <= onward(place_at, NEXT_COLUMN);
      end
      if (last_column) begin
        column <= '0; row <= row + 1; left <= -PADDING_X;
        top <= top + STRIDE_Y; top_at <= top_at + COUNT'($signed(STRIDE_Y * COLUMNS_IN));
        row_at <= onward(row_at, NEXT_ROW); place_at <= onward(row_at, NEXT_ROW);
        step_at <= onward(row_at, NEXT_ROW); group_at <= onward(row_at, NEXT_ROW);
      end
      if (last_row) begin
        row <= '0; top <= -PADDING_Y; top_at <= COUNT'($signed(-PADDING_Y * COLUMNS_IN));
        sample_at <= onward(sample_at, NEXT_SAMPLE); row_at <= onward(sample_at, NEXT_SAMPLE);
        place_at <= onward(sample_at, NEXT_SAMPLE); step_at <= onward(sample_at, NEXT_SAMPLE);
        group_at <= onward(sample_at, NEXT_SAMPLE);
      end
    end
    if (rst) begin
      taps <= 1'b0; pending <= 1'b0; drained <= 1'b0;
      row <= '0; column <= '0; step <= '0; group <= '0; block <= '0; block_weights <= '0;
      top <= -PADDING_Y; left <= -PADDING_X; top_at <= COUNT'($signed(-PADDING_Y * COLUMNS_IN));
      sample_at <= ADDRESS'(ORIGIN); row_at <= ADDRESS'(ORIGIN); place_at <= ADDRESS'(ORIGIN);
      step_at <= ADDRESS'(ORIGIN); group_at <= ADDRESS'(ORIGIN);
    end
  end

  // One cycle behind the address: the levels, and the weights.

  logic seen, seen_first, seen_next_bit, seen_top, add;
  logic [LANE-1:0] seen_lane;
  logic [BIT-1:0] seen_bit;
  always_ff @(posedge clk) begin
    seen <= taps && !rst && (PADDED == 0 || (y >= 0 && y < ROWS_IN && x >= 0 && x < COLUMNS_IN));
    seen_next_bit <= taps && tap_y == 0 && tap_x == 0 && tap_word == 0 && tap_lane == 0;
    seen_lane <= tap_lane;
    seen_bit <= bit_at;
    seen_top <= SIGNED != 0 && bit_at == BIT'(LAST_BIT);
  end

  localparam int LEVEL = BITS + (SIGNED == 0 ? 1 : 0);
  localparam int TAKEN = SERIAL != 0 ? 1 : LEVEL;  // of a level at once
  localparam int SEEN = SELECTED > 1 ? 1 : LANES;
  logic [SEEN*LEVEL-1:0] levels;
  logic [SEEN*TAKEN-1:0] taken;
  logic [SEEN*BITS-1:0] raw;
  generate
    if (SELECTED > 1) begin : one_of_them
      assign raw = read_data[seen_lane*BITS+:BITS];
    end else begin : all_of_them
      assign raw = read_data;
    end
    for (genvar l = 0; l < SEEN; l++) begin : lanes
      assign levels[l*LEVEL+:LEVEL] = SIGNED != 0 ? LEVEL'(raw[l*BITS+:BITS]) : {1'b0, raw[l*BITS+:BITS]};
      if (SERIAL != 0) begin : a_bit
        logic [BITS-1:0] one;
        assign one = raw[l*BITS+:BITS];
        assign taken[l] = one[seen_bit];
      end else begin : all_bits
        assign taken[l*TAKEN+:TAKEN] = levels[l*LEVEL+:LEVEL];
      end
    end

    if (MODE == 1) begin : synapses
      localparam int WIDE = WEIGHT == 1 ? 2 : WEIGHT;
      logic [PES*FAN*WEIGHT-1:0] coded;
      bitspike_rom #(
          .WIDTH(PES * FAN * WEIGHT), .DEPTH(WEIGHT_WORDS), .ADDRESS(ROM), .FILE(WEIGHTS)
      ) rom (
          .clk(clk), .read_address(weights_at), .read_data(coded)
      );
      for (genvar e = 0; e < PES; e++) begin : elements
        logic [FAN*WIDE-1:0] weights;
        for (genvar f = 0; f < FAN; f++) begin : fan
          if (WEIGHT == 1) begin : sign
            assign weights[f*WIDE+:WIDE] = {coded[e*FAN+f], 1'b1};  // -1 or 1
          end else begin : code
            assign weights[f*WIDE+:WIDE] = coded[(e*FAN+f)*WEIGHT+:WEIGHT];
          end
        end
        if (SERIAL != 0) begin : serial
          bitspike_element_serial #(.LEVEL(TAKEN), .WEIGHT(WIDE), .SUM(SUM), .FAN(FAN)) element (
              .clk(clk), .clear(give || rst), .take(seen), .next_bit(seen_next_bit), .negative(seen_top),
              .level(LANEWISE != 0 ? taken[(LANEWISE*e)*TAKEN+:TAKEN] : taken[FAN*TAKEN-1:0]), .weight(weights),
              .sum(sums[e*SUM+:SUM])
          );
        end else begin : parallel
          bitspike_element_parallel #(.LEVEL(TAKEN), .WEIGHT(WIDE), .SUM(SUM), .FAN(FAN)) element (
              .clk(clk), .clear(give || rst), .take(seen), .next_bit(1'b0), .negative(1'b0),
              .level(LANEWISE != 0 ? taken[(LANEWISE*e)*TAKEN+:TAKEN] : taken[FAN*TAKEN-1:0]), .weight(weights),
              .sum(sums[e*SUM+:SUM])
          );
        end
      end
    end else begin : pools
      logic fresh;
      always_ff @(posedge clk)
        if (give || rst) fresh <= 1'b1;
        else if (seen) fresh <= 1'b0;
      for (genvar e = 0; e < PES; e++) begin : elements
        logic signed [SUM-1:0] pooled, level;
        assign level = SUM'($signed(levels[e*LEVEL+:LEVEL]));
        assign sums[e*SUM+:SUM] = pooled;
        always_ff @(posedge clk)
          if (give || rst) pooled <= '0;
          else if (seen)
            if (MODE == 2) pooled <= pooled + level;
            else if (fresh || level > pooled) pooled <= level;
      end
    end
  endgenerate
endmodule
