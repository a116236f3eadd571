//! The file worker: reads, writes, lists and searches inside a cell, as the session's user.
