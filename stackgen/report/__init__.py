"""What people and programs see of a plan: text with bars, JSON, Markdown. Knows no rules."""
