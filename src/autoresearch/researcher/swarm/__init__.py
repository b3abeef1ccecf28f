"""Research among others: what a loop asks of a hub and tells it. A hub that is down, slow, lying
or full never stops the loop."""
