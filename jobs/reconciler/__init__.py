"""The reconciler: dispatches, repairs, observes, and drives operations and imports."""
