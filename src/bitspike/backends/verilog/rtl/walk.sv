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
