"""One page that shows what was run and what was mined."""
