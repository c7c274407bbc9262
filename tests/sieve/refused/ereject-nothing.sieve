require "ereject";
ereject;
