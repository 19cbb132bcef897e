// @COMMENT@
// Made by bitspike: one engine of PES processing elements that runs the layers of a network one after another.
// A sample comes in as codes, a byte a beat, step by step in row-major order; its logits go out, one a beat, the last
// with out_last.
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
  // What the network needs, in bits and in numbers.
@PARAMETERS@

  // The layers: where a layer's window walks, what it multiplies with, and the program of what comes of its sums.
@TABLE@

  // The sequence: windows in the order of places, steps, groups of channels, blocks of PES channels. Where there are
  // several passes, each runs one step of all layers.

  localparam logic [2:0] LOAD = 0, SETUP = 1, BEGIN = 2, TAPS = 3, WALK = 4, DRAIN = 5, HAND = 6, LAST = 7;
  localparam logic [2:0] NONE = 0, SYNAPSE = 1, ADDED = 2, LARGEST = 3, PAIRS = 4;

  logic [2:0] state;
  logic [PLACE-1:0] row, column, place, count;
  logic [STEP-1:0] step, pass, now;
  logic [CHANNEL-1:0] group, block;
  logic signed [SIDE-1:0] row_y, place_x, y, x;
  logic [EDGE-1:0] at, next_tap;
  logic [WEIGHTS-1:0] block_weights, weights_at;
  logic [TAP-1:0] tap_channel, tap_y, tap_x, events, event_at;
  logic [BIT-1:0] bit_at;

  logic last_tap, on_image, steal, issue, advance, second, walk, alu_busy, give, listing, last_pass;
  assign last_tap = tap_x == l_last_x && tap_y == l_last_y && tap_channel == l_last_channel;
  assign on_image = y >= 0 && y < l_rows_in && x >= 0 && x < l_columns_in;
  assign issue = state == TAPS && !steal;
  assign advance = issue && (second || l_mode != PAIRS);
  assign listing = ELEMENT == 2 && l_mode == SYNAPSE;  // the levels that are not 0 are listed, and then walked
  assign walk = state == WALK && event_at != events;
  assign give = state == HAND && !alu_busy;
  assign in_ready = state == LOAD;
  assign now = PASSES > 1 ? pass : step;
  assign last_pass = PASSES == 1 || pass == STEP'(PASSES - 1);

  logic starts, last_block, last_group, last_step, last_column, last_row;
  assign starts = group == 0 && block == 0;
  assign last_block = block == l_last_block;
  assign last_group = group == l_last_group;
  assign last_step = step == l_last_step;
  assign last_column = column == l_last_column;
  assign last_row = row == l_last_row;

  always_ff @(posedge clk) begin
    case (state)
      LOAD:
      if (in_valid) begin
        count <= count + 1;
        if (count == PLACE'(SAMPLE - 1)) begin
          count <= '0;
          layer <= '0;
          state <= SETUP;
        end
      end
      SETUP: begin
        row <= '0; column <= '0; place <= '0; step <= '0; group <= '0; block <= '0;
        row_y <= -l_padding_y; place_x <= -l_padding_x;
        block_weights <= l_weights;
        state <= PASSES > 1 && l_once && pass != 0 ? LAST : BEGIN;
      end
      BEGIN: begin
        y <= row_y; x <= place_x;
        tap_channel <= '0; tap_y <= '0; tap_x <= '0; event_at <= '0;
        weights_at <= listing ? '0 : block_weights;
        bit_at <= l_last_bit;
        if (l_mode == NONE || (l_held && now != 0)) state <= HAND;
        else if (listing && block != 0) state <= WALK;
        else state <= TAPS;
      end
      TAPS:
      if (advance) begin
        weights_at <= weights_at + 1;
        x <= x + l_apart_x; tap_x <= tap_x + 1;
        if (tap_x == l_last_x) begin
          x <= place_x; y <= y + l_apart_y; tap_x <= '0; tap_y <= tap_y + 1;
          if (tap_y == l_last_y) begin
            y <= row_y; tap_y <= '0; tap_channel <= tap_channel + 1;
          end
        end
        if (last_tap) begin
          tap_channel <= '0; bit_at <= bit_at - 1;
          weights_at <= block_weights;
          if (bit_at == 0) state <= DRAIN;
        end
      end
      DRAIN:
      if (!listing || !seen) begin
        state <= HAND;
        if (listing && event_at != events) state <= WALK;
      end
      WALK:
      if (walk) event_at <= event_at + 1;
      else state <= DRAIN;
      HAND:
      if (give) begin
        state <= BEGIN;
        block <= block + 1;
        block_weights <= block_weights + l_taps;
        if (last_block) begin
          block <= '0; group <= group + 1;
          if (last_group) begin
            group <= '0; step <= step + 1; block_weights <= l_weights;
            if (last_step) begin
              step <= '0; column <= column + 1; place <= place + 1; place_x <= place_x + l_stride_x;
              if (last_column) begin
                column <= '0; row <= row + 1; place_x <= -l_padding_x; row_y <= row_y + l_stride_y;
                if (last_row) state <= LAST;
              end
            end
          end
        end
      end
      LAST:
      if (!alu_busy) begin
        layer <= layer + 1;
        state <= SETUP;
        if (layer == LAYER'(LAYERS - 1)) begin
          layer <= '0;
          pass <= last_pass ? '0 : pass + 1;
          if (last_pass || LOADS != 0) state <= LOAD;
        end
      end
    endcase
    if (rst) begin
      state <= LOAD;
      count <= '0;
      layer <= '0;
      pass <= '0;
    end
  end

  // Where it reads: the taps of a window; of a product a tap of the first factor, and then one of the second.

  always_comb
    if (tap_x != l_last_x) next_tap = l_next_x;
    else if (tap_y != l_last_y) next_tap = l_next_y;
    else next_tap = l_next_channel;
  bitspike_walk #(.EDGE(EDGE)) first_walk (
      .clk(clk), .setup(state == SETUP), .begins(state == BEGIN), .advance(advance), .last_tap(last_tap),
      .leave(give && last_block), .last_group(last_group), .last_step(last_step), .last_column(last_column),
      .origin(l_origin), .next_tap(next_tap), .next_group(l_next_group), .next_step(l_next_step),
      .next_column(l_next_column), .next_row(l_next_row), .at(at)
  );

  logic [EDGE-1:0] second_at;
  generate
    if (PRODUCTS != 0) begin : pairs
      bitspike_walk #(.EDGE(EDGE)) second_walk (
          .clk(clk), .setup(state == SETUP), .begins(state == BEGIN), .advance(advance), .last_tap(last_tap),
          .leave(give && last_block), .last_group(last_group), .last_step(last_step), .last_column(last_column),
          .origin(l_second_origin), .next_tap(l_second_next_channel), .next_group(l_second_next_group),
          .next_step(l_second_next_step), .next_column(l_second_next_column), .next_row(l_second_next_row),
          .at(second_at)
      );
      always_ff @(posedge clk)
        if (state == BEGIN) second <= 1'b0;
        else if (issue) second <= l_mode == PAIRS && !second;
    end else begin : no_pairs
      assign second = 1'b0;
      assign second_at = '0;
    end
  endgenerate

  // The edges: one memory for each width. The arithmetic unit's reads come first, and cost the sums a cycle.

  logic edge_write;
  logic [EDGE-1:0] edge_to, edge_from, alu_edge;
  logic [CLASS-1:0] class_to, class_from, alu_class, class_read;
  logic signed [WIDE-1:0] edge_data;
  logic signed [LEVEL-1:0] level, tap_level;
  assign edge_from = steal ? alu_edge : second ? second_at : at;
  assign class_from = steal ? alu_class : second ? l_second_class : l_class;
  always_ff @(posedge clk) class_read <= class_from;
@EDGES@

  // One cycle behind the address: a level. It is added up, or listed where it is not 0.

  logic seen, seen_second, seen_on_image, seen_next_bit, seen_top, add;
  logic [BIT-1:0] seen_bit;
  logic [WEIGHTS-1:0] rom_at;
  logic [TAP-1:0] seen_tap;
  always_ff @(posedge clk) begin
    seen <= issue && !rst;
    seen_second <= second;
    seen_on_image <= on_image;
    seen_next_bit <= tap_x == 0 && tap_y == 0 && tap_channel == 0;
    seen_bit <= bit_at;
    seen_top <= bit_at == l_last_bit && l_signed;
    seen_tap <= TAP'(weights_at);
  end

  generate
    if (ELEMENT == 2) begin : list
      logic [TAP+LEVEL-1:0] event_read;
      logic push;
      assign push = seen && seen_on_image && listing && level != 0;
      always_ff @(posedge clk)
        if (state == BEGIN && block == 0) events <= '0;
        else if (push) events <= events + 1;
      bitspike_memory #(.WIDTH(TAP + LEVEL), .DEPTH(TAPS_MOST), .ADDRESS(TAP)) memory (
          .clk(clk), .write(push), .write_address(events), .write_data({seen_tap, level}),
          .read_address(event_at), .read_data(event_read)
      );
      logic multiply, weighed;
      logic signed [LEVEL-1:0] weighed_level;
      always_ff @(posedge clk) begin
        multiply <= walk && !rst;
        weighed <= multiply && !rst;
        weighed_level <= $signed(event_read[LEVEL-1:0]);
      end
      assign rom_at = block_weights + WEIGHTS'(event_read[TAP+LEVEL-1:LEVEL]);
      assign add = weighed;
      assign tap_level = weighed_level;
    end else begin : in_order
      assign events = '0;
      assign rom_at = weights_at;
      assign add = seen && seen_on_image && l_mode == SYNAPSE;
      assign tap_level = ELEMENT == 1 ? LEVEL'({1'b0, level[seen_bit]}) : level;
    end
  endgenerate

  // The weights of a tap: one for each element, from one file for each width.

  logic signed [PES*WEIGHT-1:0] weights;
@WEIGHTS@

  // The elements. A pool has one sum of its own, as wide as what it pools.

  logic clear;
  assign clear = state == BEGIN;
  logic signed [SUM-1:0] sums[0:PES-1];
  generate
    for (genvar e = 0; e < PES; e++) begin : elements
      @ELEMENT@ #(.LEVEL(LEVEL), .WEIGHT(WEIGHT), .SUM(SUM)) element (
          .clk(clk), .clear(clear), .take(add), .next_bit(seen && seen_next_bit && l_mode == SYNAPSE),
          .negative(seen_top), .level(tap_level), .weight(weights[e*WEIGHT+:WEIGHT]), .sum(sums[e])
      );
    end
  endgenerate

  logic signed [PRODUCT-1:0] product;
  generate
    if (PRODUCTS != 0) begin : multiplied
      logic signed [FIRST-1:0] first_level;
      logic take;
      assign take = seen && seen_second;
      always_ff @(posedge clk) if (seen) first_level <= edge_data[FIRST-1:0];
      @ELEMENT@ #(.LEVEL(FIRST), .WEIGHT(SECOND), .SUM(PRODUCT)) element (
          .clk(clk), .clear(clear), .take(take), .next_bit(take && seen_next_bit), .negative(seen_top),
          .level(ELEMENT == 1 ? FIRST'({1'b0, first_level[seen_bit]}) : first_level),
          .weight($signed(edge_data[SECOND-1:0])), .sum(product)
      );
    end else assign product = '0;
  endgenerate

  logic fresh;
  logic signed [WIDE-1:0] pooled;
  always_ff @(posedge clk)
    if (clear) begin
      pooled <= '0;
      fresh <= 1'b1;
    end else if (seen && seen_on_image) begin
      fresh <= 1'b0;
      if (l_mode == ADDED) pooled <= pooled + edge_data;
      else if (fresh || edge_data > pooled) pooled <= edge_data;
    end

  // The arithmetic unit: for each channel of a block, the layer's program of integer instructions.

@FIELDS@
  logic [CODE-1:0] pc, next_pc;
  logic [INSTRUCTION-1:0] instruction;
  logic first, go, alu_last_step, alu_first_step;
  logic [CHANNEL-1:0] lane, lanes, channel;
  logic [EDGE-1:0] element, step_offset, kept_by;
  logic [STEP-1:0] alu_step;
  logic signed [SUM-1:0] ready[0:PES-1];
  logic signed [WIDE-1:0] ready_pooled;
  logic signed [PRODUCT-1:0] ready_product;

  assign go = alu_busy && !(first && l_answers && out_valid && !out_ready);
  assign steal = go && i_fetch;
  assign alu_edge = i_fetch_at + element + (i_fetch_steps ? step_offset : '0);
  assign alu_class = i_fetch_class;
  assign next_pc = give ? l_program : !go ? pc : i_last ? l_program : pc + 1;
  bitspike_rom #(.WIDTH(INSTRUCTION), .DEPTH(CODES), .ADDRESS(CODE), .FILE("@NAME@_program.mem")) program_rom (
      .clk(clk), .read_address(next_pc), .read_data(instruction)
  );

  // What the first instruction of a channel reads is fetched by the last of the channel before, or while the unit waits.
  // A state is of a channel; where there are several passes, of an element.
  logic [EDGE-1:0] fetch_at, fetch_channel, fetch_element;
  assign kept_by = PASSES > 1 ? element : EDGE'(channel);
  assign fetch_at = go ? i_fetch_at : l_first_at;
  assign fetch_channel = go ? EDGE'(channel) + EDGE'(i_last) : give && starts ? '0 : EDGE'(channel);
  assign fetch_element = go ? (i_last ? element + l_plane : element) : give && starts ? EDGE'(place) : element;

  logic [CONSTANT-1:0] constant;
  logic [STATE-1:0] kept;
  bitspike_rom #(
      .WIDTH(CONSTANT), .DEPTH(CONSTANTS), .ADDRESS(EDGE), .FILE("@NAME@_constants.mem")
  ) constants_rom (
      .clk(clk), .read_address(fetch_at + fetch_channel), .read_data(constant)
  );
  bitspike_memory #(.WIDTH(STATE), .DEPTH(STATES), .ADDRESS(EDGE)) states (
      .clk(clk), .write(go && i_keep), .write_address(i_keep_at + kept_by), .write_data(result[STATE-1:0]),
      .read_address(fetch_at + (PASSES > 1 ? fetch_element : fetch_channel)), .read_data(kept)
  );

  logic signed [WORD-1:0] registers[0:REGISTERS-1];
  logic signed [WORD-1:0] sum, a, b, result;
  logic register_write;
  assign sum = l_mode == SYNAPSE ? WORD'(ready[lane[LANE-1:0]]) :
      PRODUCTS != 0 && l_mode == PAIRS ? WORD'(ready_product) : WORD'(ready_pooled);
  always_comb begin
    case (i_a)
      A_REGISTER: a = registers[i_register_a];
      A_SUM: a = sum;
      A_STEP: a = $signed(WORD'({1'b0, alu_step}));
      default: a = i_immediate;
    endcase
    case (i_b)
      B_REGISTER: b = registers[i_register_b];
      B_CONSTANT: b = WORD'($signed(constant));
      B_EDGE: b = WORD'(edge_data);
      B_STATE: b = alu_first_step ? i_immediate : WORD'($signed(kept));
      B_HELD: b = alu_first_step ? sum : WORD'($signed(kept));
      default: b = i_immediate;
    endcase
  end
  bitspike_arithmetic #(
      .WORD(WORD), .LOW(LOW), .FACTOR_A(FACTOR_A), .FACTOR_B(FACTOR_B), .SHIFT(SHIFT)
  ) arithmetic (
      .op(i_op), .a(a), .b(b), .low(i_low), .result(result), .write(register_write)
  );

  assign edge_write = in_ready ? in_valid : go && i_store && !l_answers && (!l_at_last || alu_last_step);
  assign edge_to = in_ready ? EDGE'(INPUT_AT) + EDGE'(count) : l_store + element + (l_at_last ? '0 : step_offset);
  assign class_to = in_ready ? CLASS'(INPUT_CLASS) : l_store_class;

  always_ff @(posedge clk) begin
    pc <= next_pc;
    if (out_ready) out_valid <= 1'b0;
    if (give) begin
      alu_busy <= 1'b1;
      first <= 1'b1;
      lane <= '0;
      lanes <= last_block ? l_lanes_last : CHANNEL'(PES);
      alu_step <= now;
      alu_first_step <= now == 0;
      alu_last_step <= last_step && last_pass;
      for (int e = 0; e < PES; e++) ready[e] <= sums[e];
      ready_pooled <= pooled;
      ready_product <= product;
      if (starts) begin
        channel <= '0;
        element <= EDGE'(place);
        step_offset <= step == 0 ? '0 : step_offset + l_elements;
      end
    end else if (go) begin
      first <= i_last;
      if (register_write && i_write) registers[i_register] <= result;
      if (i_store && l_answers && (!l_at_last || alu_last_step)) begin
        out_valid <= 1'b1;
        out_data <= result[@LOGIT@-1:0];
        out_last <= channel == CHANNEL'(CLASSES - 1) && alu_last_step;
      end
      if (i_last) begin
        lane <= lane + 1;
        channel <= channel + 1;
        element <= element + l_plane;
        if (lane == lanes - 1) alu_busy <= 1'b0;
      end
    end
    if (rst) begin
      alu_busy <= 1'b0;
      out_valid <= 1'b0;
    end
`ifdef BITSPIKE_TRACE
    if (edge_write && !in_ready) $display("edge %0d %0d %0d %0d", layer, pass, edge_to, result);
`endif
  end
endmodule
