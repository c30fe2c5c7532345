"""Joint spaces: bones moved against each other, their margins, widths, a later visit."""
