"""How fast a training is: where its time goes, how much it computes, and what its device could do."""
