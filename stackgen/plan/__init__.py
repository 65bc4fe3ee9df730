"""From a linked stack and what is known of its models to a plan: placements, ledgers, findings, advice."""
