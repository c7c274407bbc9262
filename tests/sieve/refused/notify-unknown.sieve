require "enotify";
notify "nonsense:p";
