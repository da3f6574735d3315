/** Ships without types; it calls `define`, as RequireJS offers it. */
declare module "anywidget";
