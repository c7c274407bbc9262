require "reject";
if false { reject "x"; }
