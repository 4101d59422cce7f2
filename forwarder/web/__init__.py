"""The pages: the dashboard, and the relay page for phones. Static files, and who gets which."""
