require "ereject";
reject "x";
