"""A stage for each layer, all at once: what a stage is (stage), when it runs (timing), how wide it is (choice)."""

from bitspike.backends.verilog.streaming.program import Pipeline, to_pipeline

__all__ = ["Pipeline", "to_pipeline"]
