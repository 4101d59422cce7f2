"""Words about the program itself: starting it, opening it, finding out what is wrong with it."""
