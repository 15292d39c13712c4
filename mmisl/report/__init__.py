"""One self-contained HTML file that tells the story of runs."""
