"""Engine-neutral facts of a model: what a planner must know, derived from a header or a catalog."""
