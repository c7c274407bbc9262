require "enotify";
notify "mailto:pager@example.com?to=phone@example.com";
