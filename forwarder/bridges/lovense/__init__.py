"""The Lovense LAN API ("Game Mode", "Standard API"): apps that only know that vendor's toys."""
