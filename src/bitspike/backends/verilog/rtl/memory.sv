// A memory with one port to write and one to read; what is read is there a cycle later. Any tool makes block memory of it.
module bitspike_memory #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16,
    parameter int ADDRESS = 4
) (
    input  logic               clk,
    input  logic               write,
    input  logic [ADDRESS-1:0] write_address,
    input  logic [WIDTH-1:0]   write_data,
    input  logic [ADDRESS-1:0] read_address,
    output logic [WIDTH-1:0]   read_data
);
  localparam int OWN = DEPTH > 1 ? $clog2(DEPTH) : 1;
  logic [WIDTH-1:0] words[0:DEPTH-1];
  always_ff @(posedge clk) begin
    if (write) words[write_address[OWN-1:0]] <= write_data;
    read_data <= words[read_address[OWN-1:0]];
  end
endmodule

// Constants from a file of hexadecimal words, read a cycle later.
module bitspike_rom #(
    parameter int WIDTH = 8,
    parameter int DEPTH = 16,
    parameter int ADDRESS = 4,
    parameter FILE = ""
) (
    input  logic               clk,
    input  logic [ADDRESS-1:0] read_address,
    output logic [WIDTH-1:0]   read_data
);
  localparam int OWN = DEPTH > 1 ? $clog2(DEPTH) : 1;
  logic [WIDTH-1:0] words[0:DEPTH-1];
  generate
    if (FILE != "") initial $readmemh(FILE, words);
  endgenerate
  always_ff @(posedge clk) read_data <= words[read_address[OWN-1:0]];
endmodule

// Where a layer reads: an address that goes from tap to tap, and from there to the next group of channels, step, column
// and row, each by a distance of the layer's.
module bitspike_walk #(
    parameter int EDGE = 8
) (
    input  logic            clk,
    input  logic            setup,     // of a layer
    input  logic            begins,    // a window
    input  logic            advance,   // to the next tap,
    input  logic            last_tap,  // or to the first again
    input  logic            leave,     // for the next group,
    input  logic            last_group, last_step, last_column,  // or what comes behind the last
    input  logic [EDGE-1:0] origin, next_tap, next_group, next_step, next_column, next_row,
    output logic [EDGE-1:0] at
);
  logic [EDGE-1:0] row, place, step, group, to_step, to_place, to_row;
  assign to_step = step + next_step;
  assign to_place = place + next_column;
  assign to_row = row + next_row;
  always_ff @(posedge clk) begin
    if (setup) begin
      row <= origin; place <= origin; step <= origin; group <= origin;
    end
    if (begins) at <= group;
    if (advance) at <= last_tap ? group : at + next_tap;
    if (leave) begin
      group <= group + next_group;
      if (last_group) begin
        step <= to_step; group <= to_step;
        if (last_step) begin
          place <= to_place; step <= to_place; group <= to_place;
          if (last_column) begin
            row <= to_row; place <= to_row; step <= to_row; group <= to_row;
          end
        end
      end
    end
  end
endmodule
