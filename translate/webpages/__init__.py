"""Self-contained HTML pages: one style, a divider between two pictures, and tables. They ask nothing of a network."""
