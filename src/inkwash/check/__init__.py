"""`inkwash check`: a student's scheduler, solver, loss or guidance against the closed forms."""
