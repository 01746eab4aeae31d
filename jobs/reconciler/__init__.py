"""The reconciler: dispatches what is due, repairs, observes, and drives work on many tenants."""
