"""The report of a study: its text, in two languages, and its figures. Its only input is the table."""
