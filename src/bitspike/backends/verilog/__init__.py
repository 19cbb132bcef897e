"""A frozen graph as SystemVerilog: the plan, the text of it, and what a simulator makes of that."""
