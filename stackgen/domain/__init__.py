"""Types only: what every other part of stackgen speaks. Imports nothing of stackgen but itself."""
