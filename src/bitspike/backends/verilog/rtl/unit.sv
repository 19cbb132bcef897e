// The arithmetic unit of a stage: it runs the stage's program on the sums of a window, UNITS channels at once, and sends
// what the program stores, a beat of UNITS channels, in the order of places, steps and channels.
module bitspike_unit #(
    parameter int WINDOWS = 1,  // 0: there are no sums, and the program runs whenever what it reads is there
    parameter int PES = 1,
    parameter int SUM = 1,
    parameter int UNITS = 1,
    parameter int BEATS = 1,  // of a place and step
    parameter int STEPS = 1,
    parameter int AT_LAST = 0,  // sends at the last step alone
    parameter int OUT = 1,
    parameter int WORD = 8, LOW = 1, FACTOR_A = 1, FACTOR_B = 1, SHIFT = 1, REGISTERS = 1,
    parameter int CONSTANT = 1, CONSTANTS = 1,  // bits, and numbers of a channel
    parameter int STATE = 1, STATES = 1,
    parameter FILE = "",
    parameter int BESIDE = 0,  // edges that are read beside the sums
    parameter int BESIDES = 1,  // at least one
    parameter int CODES = 1, FETCH = 1, REGISTER = 1, SIDE = 1,
    parameter int FIRST = 0,  // where the first instruction reads
    parameter logic [9:0] USED = '1,
    parameter int FIXED = 0,  // as `bitspike_arithmetic` has them
    parameter int INSTRUCTION = 28,
    parameter logic [CODES*INSTRUCTION-1:0] PROGRAM = '0
) (
    input  logic                            clk,
    input  logic                            rst,
    input  logic                            summed,
    input  logic              [PES*SUM-1:0] sums,
    output logic                            free,
    input  logic                            here,         // what is read beside
    input  logic [BESIDES*UNITS*WORD-1:0]   beside,
    output logic                            ends_beat,
    output logic                            ends_step,
    output logic                            ends_place,
    output logic           [UNITS*OUT-1:0]  out_data,
    output logic                            out_valid,
    input  logic                            out_ready     // stays up until a beat goes
);
  localparam int PASSES = WINDOWS != 0 ? PES / UNITS : BEATS;
  localparam int CODE = CODES > 1 ? $clog2(CODES) : 1;
  localparam int BEAT = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int STEP = STEPS > 1 ? $clog2(STEPS) : 1;
  localparam int AT = $clog2((STATES > CONSTANTS ? STATES : CONSTANTS) * BEATS + BEATS + 1);
  // As `OF_A` and `OF_B` of micro.py have them.
  localparam logic [1:0] A_REGISTER = 0, A_SUM = 1, A_STEP = 2;
  localparam logic [2:0] B_REGISTER = 0, B_CONSTANT = 2, B_EDGE = 3, B_STATE = 4, B_HELD = 5;

  logic [CODE-1:0] pc;
  logic [INSTRUCTION-1:0] instruction;
  assign instruction = PROGRAM[pc*INSTRUCTION+:INSTRUCTION];
  // The fields, the lowest first, as streaming/instructions has them.
  localparam int F_A = 8, F_B = F_A + 2, F_REGISTER = F_B + 3, F_SIDE = F_REGISTER + 3 * REGISTER;
  localparam int F_FETCH = F_SIDE + SIDE, F_KEEP = F_FETCH + FETCH, F_LOW = F_KEEP + FETCH, F_IMMEDIATE = F_LOW + LOW;
  logic i_last, i_write, i_store, i_keep;
  logic [3:0] i_op;
  logic [1:0] i_a;
  logic [2:0] i_b;
  logic [REGISTER-1:0] i_register, i_register_a, i_register_b;
  logic [SIDE-1:0] i_side;
  logic [FETCH-1:0] i_fetch_at, i_keep_at;
  logic signed [LOW-1:0] i_low;
  logic signed [WORD-1:0] i_immediate;
  assign {i_keep, i_store, i_write, i_last} = instruction[3:0];
  assign i_op = instruction[7:4];
  assign i_a = instruction[F_A+:2];
  assign i_b = instruction[F_B+:3];
  assign i_register = instruction[F_REGISTER+:REGISTER];
  assign i_register_a = instruction[F_REGISTER+REGISTER+:REGISTER];
  assign i_register_b = instruction[F_REGISTER+2*REGISTER+:REGISTER];
  assign i_side = instruction[F_SIDE+:SIDE];
  assign i_fetch_at = instruction[F_FETCH+:FETCH];
  assign i_keep_at = instruction[F_KEEP+:FETCH];
  assign i_low = instruction[F_LOW+:LOW];
  assign i_immediate = instruction[F_IMMEDIATE+:WORD];

  // What runs: an instruction a cycle, unless a pass begins that has nothing to read beside, or nowhere to send to.
  logic busy, go, give, last_pass, sends, first_step, last_step;
  logic [BEAT-1:0] beat, next_beat;
  logic [BEAT-1:0] pass;
  logic [STEP-1:0] step;
  assign first_step = STEPS == 1 || step == 0;
  assign last_step = STEPS == 1 || step == STEP'(STEPS - 1);
  assign sends = AT_LAST == 0 || last_step;
  assign go = busy && !(pc == 0 && ((BESIDE != 0 && !here) || (sends && !out_ready)));
  assign ends_beat = go && i_last;
  assign ends_step = ends_beat && (BEATS == 1 || beat == BEAT'(BEATS - 1));
  assign ends_place = ends_step && last_step;
  assign last_pass = PASSES == 1 || pass == BEAT'(PASSES - 1);
  assign free = !busy || (ends_beat && last_pass);
  assign give = free && (WINDOWS == 0 || summed);
  assign next_beat = ends_step ? '0 : ends_beat ? beat + 1 : beat;
  always_ff @(posedge clk) begin
    if (go) pc <= i_last ? '0 : pc + 1;
    beat <= next_beat;
    if (ends_step) step <= last_step ? '0 : step + 1;
    if (ends_beat) pass <= last_pass ? '0 : pass + 1;
    if (give) busy <= 1'b1;
    else if (ends_beat && last_pass) busy <= 1'b0;
    if (rst) begin
      pc <= '0;
      beat <= '0;
      step <= '0;
      pass <= '0;
      busy <= 1'b0;
    end
  end

  logic [PES*SUM-1:0] ready;
  always_ff @(posedge clk)
    if (give) ready <= sums;
    else if (ends_beat) ready <= ready >> (UNITS * SUM);

  // An instruction reads what the one before has fetched.
  logic [AT-1:0] fetch_at;
  logic [UNITS*CONSTANT-1:0] constant;
  logic [UNITS*STATE-1:0] kept, keeps;
  assign fetch_at = AT'(go ? i_fetch_at : FETCH'(FIRST)) + AT'(next_beat);
  generate
    if (FILE != "") begin : numbers
      bitspike_rom #(.WIDTH(UNITS * CONSTANT), .DEPTH(CONSTANTS * BEATS), .ADDRESS(AT), .FILE(FILE)) rom (
          .clk(clk), .read_address(fetch_at), .read_data(constant)
      );
    end else begin : no_numbers
      assign constant = '0;
    end
    if (STATES > 0) begin : carried
      logic write;
      logic [AT-1:0] keep_at;
      logic [UNITS*STATE-1:0] read;
      assign write = go && i_keep;
      assign keep_at = AT'(i_keep_at) + AT'(beat);
      bitspike_memory #(.WIDTH(UNITS * STATE), .DEPTH(STATES * BEATS), .ADDRESS(AT)) memory (
          .clk(clk), .write(write), .write_address(keep_at), .write_data(keeps),
          .read_address(fetch_at), .read_data(read)
      );
      if (BEATS == 1) begin : at_once  // the last instruction of a step keeps what the first of the next one reads
        logic same;
        logic [UNITS*STATE-1:0] written;
        always_ff @(posedge clk) begin
          same <= write && keep_at == fetch_at;
          written <= keeps;
        end
        assign kept = same ? written : read;
      end else begin : later
        assign kept = read;
      end
    end else begin : nothing_carried
      assign kept = '0;
    end
  endgenerate

  generate
    for (genvar u = 0; u < UNITS; u++) begin : units
      logic signed [WORD-1:0] registers[0:REGISTERS-1];
      logic signed [WORD-1:0] sum, read, a, b, result;
      logic write;
      logic [BESIDES*WORD-1:0] others;
      for (genvar o = 0; o < BESIDES; o++) begin : edges
        assign others[o*WORD+:WORD] = beside[(o*UNITS+u)*WORD+:WORD];
      end
      assign sum = WORD'($signed(ready[u*SUM+:SUM]));
      assign read = WORD'($signed(kept[u*STATE+:STATE]));
      always_comb begin
        case (i_a)
          A_REGISTER: a = registers[i_register_a];
          A_SUM: a = sum;
          A_STEP: a = $signed(WORD'({1'b0, step}));
          default: a = i_immediate;
        endcase
        case (i_b)
          B_REGISTER: b = registers[i_register_b];
          B_CONSTANT: b = WORD'($signed(constant[u*CONSTANT+:CONSTANT]));
          B_EDGE: b = BESIDES == 1 ? others[WORD-1:0] : others[i_side*WORD+:WORD];
          B_STATE: b = first_step ? i_immediate : read;
          B_HELD: b = first_step ? sum : read;
          default: b = i_immediate;
        endcase
      end
      bitspike_arithmetic #(
          .WORD(WORD), .LOW(LOW), .FACTOR_A(FACTOR_A), .FACTOR_B(FACTOR_B), .SHIFT(SHIFT), .USED(USED), .FIXED(FIXED)
      ) arithmetic (
          .op(i_op), .a(a), .b(b), .low(i_low), .result(result), .write(write)
      );
      always_ff @(posedge clk)
        if (go && write && i_write) registers[i_register] <= result;
      assign keeps[u*STATE+:STATE] = result[STATE-1:0];
      assign out_data[u*OUT+:OUT] = result[OUT-1:0];
    end
  endgenerate
  assign out_valid = go && i_store && sends;
endmodule
