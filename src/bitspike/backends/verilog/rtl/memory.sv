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
