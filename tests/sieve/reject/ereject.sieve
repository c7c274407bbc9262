require "ereject";
ereject "not wanted here";
