//! PID 1 of a cell: starts runs, enforces their wall time, reaps and ends everything.
