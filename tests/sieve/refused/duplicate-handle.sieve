require "duplicate";
if duplicate :handle { keep; }
