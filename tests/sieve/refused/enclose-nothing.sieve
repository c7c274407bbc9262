require "enclose";
enclose;
