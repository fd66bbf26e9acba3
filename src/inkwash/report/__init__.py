"""The report of a study: what is said, in two languages, and what is seen. It reads nothing but the table."""
