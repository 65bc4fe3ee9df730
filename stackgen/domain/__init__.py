"""Types, and small functions on them that engines or targets borrow. Imports nothing of stackgen but itself."""
