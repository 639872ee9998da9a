"""One step for every objective: forward, selected log-probs, loss over global denominators, backward, update."""
