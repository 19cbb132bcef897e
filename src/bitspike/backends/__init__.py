"""What runs a frozen graph: the oracle defines it, the others equal it."""
