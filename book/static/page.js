// Small repairs to what the theme and its extensions build.
