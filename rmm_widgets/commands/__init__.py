"""The command table: every face (magics, command line, buttons, side panel) runs these commands."""
