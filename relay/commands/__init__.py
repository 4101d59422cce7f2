"""The words of `relay`: each module has COMMANDS, loaded when one of them is said."""
