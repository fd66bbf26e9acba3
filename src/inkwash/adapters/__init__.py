"""inkwash's denoisers as those of other libraries, and theirs as inkwash's. A library is imported where it is used."""
